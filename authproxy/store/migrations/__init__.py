"""How a database came to its tables, revision by revision. A published revision is never edited."""
