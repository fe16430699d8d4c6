"""The programs and bytes that authproxy meets: real indexes, real clients, packages, and sockets that say what is rude.

Nothing here imports authproxy, but for `peers.proxy`, which starts it.
"""
