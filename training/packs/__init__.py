"""Asset packs: cut-outs and recordings by category, and the builds that make them."""
