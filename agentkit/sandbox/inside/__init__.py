"""The program that runs inside of a sandbox: the standard library only, as nothing else can be read there."""
