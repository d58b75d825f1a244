"""Drawing on films: overlay, contact sheet, masks, text."""
