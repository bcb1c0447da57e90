"""Authentication, roles and security headers of REST."""
