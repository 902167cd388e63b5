"""What axe finds on a page, for those who do not see it or use no mouse."""

import importlib.resources

BAD = ("serious", "critical")
FINDINGS = """where => axe.run(
        where ? {include: [where]} : document,
        {resultTypes: ['violations'], elementRef: false, preload: false})
    .then(found => found.violations.map(each => ({
        id: each.id,
        impact: each.impact,
        where: each.nodes.slice(0, 3).map(node => node.html.slice(0, 300)),
    })))"""


def findings(page, where=None):
    """What is seriously wrong with a page, or with the parts of it that a selector names."""
    page.evaluate((importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text())
    return [found for found in page.evaluate(FINDINGS, where) if found["impact"] in BAD]
