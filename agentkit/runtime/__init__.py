"""The rules by which an agent runs, free of I/O, and a runner that needs no Temporal."""
