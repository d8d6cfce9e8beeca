"""Explorers: pictures with sliders, one module for each chapter.

An explorer is defined once, from declared controls to a matplotlib figure, and answers
in four places: as ipywidgets in Jupyter and Colab, as native inputs on the rendered
page, as its default picture in print, and in the tests, which sweep it. See
`notebook_utils.explorers.core`.
"""
