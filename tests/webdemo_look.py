# SPDX-License-Identifier: MIT
"""What can be measured of a page's looks: overflow, contrast, names, pictures, focus."""
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from webdemo_rig import Browser

# Elements that reach beyond the window, or whose text reaches beyond themselves.
TOO_WIDE = """
    const wide = [];
    for (const e of document.querySelectorAll("body *")) {
        if (e.closest(".hidden, svg") || !e.checkVisibility()) continue;
        const isMeant = e.matches("input, progress") || getComputedStyle(e).textOverflow === "ellipsis";
        if (!isMeant && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
            wide.push(`${e.tagName}#${e.id}.${e.className} ${e.scrollWidth} in ${e.clientWidth}`);
        const r = e.getBoundingClientRect();
        if (r.width && (r.right > innerWidth + 0.5 || r.left < -0.5))
            wide.push(`${e.tagName}#${e.id}.${e.className} ${r.left} to ${r.right}`);
    }
    return wide;
"""

# Text whose contrast with what is behind it is below WCAG AA.
TOO_FAINT = """
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    function rgba(color) {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    }
    function luminance([r, g, b]) {
        const [x, y, z] = [r, g, b].map((v) => v / 255).map(
            (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    }
    function behind(e) {
        for (; e; e = e.parentElement) {
            const color = rgba(getComputedStyle(e).backgroundColor);
            if (color[3] === 255) return color;
        }
        return [255, 255, 255];
    }
    const faint = [];
    for (const e of document.querySelectorAll("body *")) {
        const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!(text || e.matches("input")) || e.disabled || e.closest(".hidden, template")) continue;
        if (!e.checkVisibility()) continue;
        const a = luminance(rgba(getComputedStyle(e).color)), b = luminance(behind(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faint.push(`${e.tagName}#${e.id}.${e.className} ${ratio.toFixed(2)}`);
    }
    return faint;
"""

SMALL_TARGETS = """
    return [...document.querySelectorAll("button, a, input")].filter((e) => e.checkVisibility())
        .map((e) => [e.tagName + "#" + e.id, e.getBoundingClientRect().height])
        .filter(([, height]) => height < 24);
"""


def is_narrow_enough(page: Browser, width: int) -> bool:
    overflow = page.script(TOO_WIDE)
    assert not overflow, overflow
    return bool(page.script("return document.documentElement.scrollWidth") <= width)


def check_looks(page: Browser, width: int) -> None:
    assert is_narrow_enough(page, width)
    for what, script in (("too faint", TOO_FAINT), ("too small", SMALL_TARGETS)):
        found = page.script(script)
        assert not found, (what, found)
    assert page.script("return document.images.length") > 0
    assert page.script("return [...document.images].every((i) => i.complete && i.naturalWidth)")
    assert page.script("return document.querySelectorAll('h1').length") == 1
    assert page.script("return document.documentElement.lang") == "en"
    for element in page.driver.find_elements("css selector", "a, button, input, progress"):
        if element.is_displayed():
            assert element.accessible_name, element.get_attribute("outerHTML")


def accessible(page: Browser) -> set[tuple[str, str]]:
    """The roles and names that assistive technology is given."""
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    return {(str(node["role"]["value"]), str(node["name"]["value"])) for node in nodes
            if not node["ignored"] and "name" in node}


def tab_order(page: Browser, count: int) -> list[str]:
    """Where Tab leads from the top of the page; each place has to be seen to have the focus."""
    order = []
    page.script("document.activeElement.blur()")
    for _ in range(count):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        assert page.script("return getComputedStyle(document.activeElement).outlineStyle") != "none"
        order.append(page.script("const e = document.activeElement; return e.id || e.className"))
    return [str(name) for name in order]
