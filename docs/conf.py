"""Sphinx configuration of the documentation site; `make docs` builds it into output/site.

The sources are the files of the repository: pages of docs/, READMEs and executed notebooks. A link that works between the
files works on the site; a broken link fails the build.
"""

import sys
from importlib.metadata import version as installed
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.addnodes import pending_xref

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

project = "ai-market-abm"
author = "The ai-market-abm maintainers"
copyright = "the ai-market-abm maintainers, Apache-2.0"
release = version = installed("ai-market-abm")
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "notebooks/README.md",
    "experiments/README.md",
    "experiments/**/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
exclude_patterns = ["output", ".venv*", "**/.ipynb_checkpoints"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # stored outputs are shown; `make test-notebooks` checks that they can be reproduced
suppress_warnings = ["mystnb.unknown_mime_type", "toc.not_included"]  # READMEs link to notebooks and experiments

default_role = "py:obj"  # single backticks in docstrings: a link if the name is known, else code
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
autosummary_generate = False

html_theme = "furo"
html_title = "AI market model"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
html_css_files = ["site.css"]
html_static_path = ["_static"]
html_extra_path = ["_root"]  # front page of the site, which redirects to docs/index.html


class Help(Directive):
    """``{abm-help}``: the help text of the command line and of all its commands."""

    def run(self):
        from typer.testing import CliRunner

        from abm.cli.app import app

        def help_of(*command):
            result = CliRunner().invoke(
                app, [*command, "--help"], prog_name="abm", env={"COLUMNS": "84", "TERM": "dumb", "NO_COLOR": "1"}
            )
            return nodes.literal_block("", "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines()))

        sections = [help_of()]
        commands = sorted(command.name or command.callback.__name__.rstrip("_") for command in app.registered_commands)
        for name in commands:
            section = nodes.section(ids=[f"abm-{name}"])
            section += [nodes.title("", f"abm {name}"), help_of(name)]
            sections.append(section)
        return sections


def folders(app, doctree):
    """Resolve a link to a folder to the page of its README, if it has one; links to missing folders still fail."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for node in list(doctree.findall(pending_xref)):
        place = (here / node["reftarget"]).resolve()
        if node.get("reftype") == "myst" and place.is_dir() and place.is_relative_to(ROOT):
            page = (place / "README").relative_to(ROOT).as_posix()
            if page in app.env.found_docs:
                node["refdomain"], node["reftarget"], node["reftargetid"] = "doc", page, None
            else:
                node.replace_self(node.children)


def setup(app):
    app.add_directive("abm-help", Help)
    app.connect("doctree-read", folders)
