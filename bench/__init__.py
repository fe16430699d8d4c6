"""What authproxy costs, beside nginx, HAProxy and the index alone, all in the same run on the same machine.

`python -m bench` prints one table and writes every sample to bench/results/. One module per row of that table; `peers`
starts and ends the servers, `ours` authproxy, `load` is the client (a program of its own, on its own core), `table`
renders. Nothing here is a test: a number depends on the machine, so only ratios within one run carry a target.
"""
