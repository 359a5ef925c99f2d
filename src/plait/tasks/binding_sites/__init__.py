"""Which residues bind small molecules, and where the pockets are."""

from plait.tasks.binding_sites.finding import sites
from plait.tasks.binding_sites.result import ATOM_COLUMNS, COLUMNS, POCKET_COLUMNS, SiteResult
from plait.tasks.binding_sites.task import BindingSites, Config

__all__ = ["ATOM_COLUMNS", "COLUMNS", "POCKET_COLUMNS", "BindingSites", "Config", "SiteResult", "sites"]
