"""How devices speak HTTP."""
