"""Dialogs: one for each thing that is asked of a person before an intent is sent."""
