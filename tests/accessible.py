"""What axe finds on a page, for those who do not see it or use no mouse."""

import importlib.resources

BAD = ("serious", "critical")
AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
FINDINGS = """([where, rules]) => axe.run(
        where ? {include: [where]} : document,
        {resultTypes: ['violations'], elementRef: false, preload: false, rules})
    .then(found => found.violations.map(each => ({
        id: each.id,
        impact: each.impact,
        where: each.nodes.slice(0, 3).map(node => node.html.slice(0, 300)),
    })))"""
# What a text's contrast depends on is its look. The tab keeps those that axe has found good. Not
# part of a look is what lies over a text or behind it by its position, or filters it.
NEW_LOOKS = """() => {
    const looks = new Set(JSON.parse(sessionStorage.looks ?? '[]')), grounds = new Map();
    const ground = each => {
        if (!each) return '';
        if (!grounds.has(each)) {
            const style = getComputedStyle(each), behind = ground(each.parentElement);
            const own = [style.backgroundColor, style.backgroundImage, style.opacity].join();
            grounds.set(each, own === 'rgba(0, 0, 0, 0),none,1' ? behind : `${behind} ${own}`);
        }
        return grounds.get(each);
    };
    const look = each => {
        const style = getComputedStyle(each);
        return [style.color, style.fill, style.fontSize, style.fontWeight, ground(each)].join();
    };
    const says = each => each.matches('input, select, textarea')
        || [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const include = [...document.querySelectorAll('body *')]
        .filter(each => says(each) && !looks.has(look(each)));
    if (!include.length) return [];
    const options = {runOnly: ['color-contrast'], elementRef: true, preload: false};
    return axe.run({include}, options).then(found => {
        const [good, bad] = [found.passes, found.violations].map(
            kind => kind.flatMap(rule => rule.nodes).map(node => node.element));
        sessionStorage.looks = JSON.stringify([...new Set([...looks, ...good.map(look)])]);
        return bad.map(each => each.outerHTML.slice(0, 300));
    });
}"""


def findings(page, where=None, **rules):
    """What is seriously wrong with a page, or with the parts of it that a selector names."""
    page.evaluate(AXE.read_text())
    return [found for found in page.evaluate(FINDINGS, [where, rules]) if found["impact"] in BAD]


def findings_on_one_of_many(page):
    """The same, of pages that a tab opens in turn: each look of a text is judged only once.

    To judge the contrast of every text takes most of the time, and the pages' texts look alike.
    """
    found = findings(page, **{"color-contrast": {"enabled": False}})
    return found + page.evaluate(NEW_LOOKS)
