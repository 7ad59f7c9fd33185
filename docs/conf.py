"""The site of the documentation, in Sphinx. `make docs` builds it into output/site.

Its sources are the repository itself: pages of docs/, READMEs, executed notebooks. A link that works among the files works on the
site; one that leads nowhere fails the build.
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
nb_execution_mode = "off"  # stored outputs are shown; `make test-notebooks` checks that they are what comes out
suppress_warnings = ["mystnb.unknown_mime_type", "toc.not_included"]  # READMEs lead to notebooks and experiments

default_role = "py:obj"  # single backticks in docstrings: a link where it is known, code where not
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
html_extra_path = ["_root"]  # the site's own front page, which leads to docs/index.html


class Help(Directive):
    """``{abm-help}``: what every command of the command line says of itself."""

    def run(self):
        from typer.testing import CliRunner

        from abm.cli.app import app

        def said(*words):
            done = CliRunner().invoke(
                app, [*words, "--help"], prog_name="abm", env={"COLUMNS": "84", "TERM": "dumb", "NO_COLOR": "1"}
            )
            return nodes.literal_block("", "\n".join(line.rstrip() for line in done.output.strip("\n").splitlines()))

        sections = [said()]
        commands = sorted(one.name or one.callback.__name__.rstrip("_") for one in app.registered_commands)
        for name in commands:
            section = nodes.section(ids=[f"abm-{name}"])
            section += [nodes.title("", f"abm {name}"), said(name)]
            sections.append(section)
        return sections


def folders(app, doctree):
    """A link to a folder leads to its page, where it has one; a folder that is not there is left to fail."""
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
