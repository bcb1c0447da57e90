"""What only workers can say: queries, presence, readiness."""
