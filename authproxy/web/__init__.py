"""The server: one request in, one answer out, and every step of an upload in its order.

`app` is the one place where the parts meet; `upload` and `read` are the two ways through; `errors` is the one table
that turns a refusal into a response. This room knows HTTP and aiohttp. It decides nothing about keys (`authority`),
rules (`domain.policy`), forms (`backend.form`) or what the index's answers mean (`backend.client`).
"""
