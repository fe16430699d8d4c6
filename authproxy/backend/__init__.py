"""Everything that knows the index: how its upload form is written, what its paths mean, how it reads a filename.

An index reads what it is sent more kindly than is safe (FieldStorage takes the last of two fields, a line break for a
boundary, a form for whatever calls itself multipart). So nothing that a client wrote reaches it: what comes in is read
by a grammar that allows one reading only, and what goes out is written here anew.

This room knows no keys and no rules; it refuses what cannot be read in one way and leaves what may be done to `domain`.
"""
