"""How many replicas a load needs: measured on one node, simulated for many."""
