"""The gRPC interface definitions (``.proto``), and the Python modules generated from them."""
