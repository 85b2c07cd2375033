"""Pictures. matplotlib is imported when one is drawn; pyplot and its global state never are."""

from .comparison import compare_figure
from .style import save_figure

__all__ = ["compare_figure", "save_figure"]
