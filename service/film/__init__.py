"""Rendering onto films: overlay, contact sheet, masks, text."""
