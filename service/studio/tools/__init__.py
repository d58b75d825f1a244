"""Tools of the studio: masks from clicks, masks through the film, sentences, onsets.

They block, hold no state of a clip, know neither HTTP nor the store, and take and give arrays.
"""
