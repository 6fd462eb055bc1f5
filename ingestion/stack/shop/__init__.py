"""The generated `shop` database: an online shop and its food delivery, the same content in every server."""
