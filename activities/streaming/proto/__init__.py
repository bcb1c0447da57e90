"""The gRPC interfaces, and the Python that they give."""
