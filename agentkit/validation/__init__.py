"""Check values that come from outside, and say what is wrong with them."""
