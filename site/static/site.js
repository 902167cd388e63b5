// Nothing here is needed to read a page.
document.addEventListener("DOMContentLoaded", () => {
  if (document.querySelector("h1")?.textContent.startsWith("Recorded results")) {
    document.querySelectorAll("article table").forEach(sortable);
  }
  // The theme's arrows in the list of pages have no words.
  document.querySelectorAll("li > details > summary").forEach((summary) => {
    const page = summary.closest("li").querySelector("a").textContent.trim();
    summary.setAttribute("aria-label", `Pages below ${page}`);
  });
  // The papers stand in a list, so they are its items.
  document.querySelectorAll(".citation-list > .citation").forEach((paper) => {
    paper.setAttribute("role", "listitem");
  });
  document.querySelectorAll("figure.strip").forEach(movable);
  openTarget();
});
window.addEventListener("hashchange", openTarget);
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});

// A link into a folded answer opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
}

// The headings of a table become buttons that sort its rows, by number where there are numbers.
function sortable(table) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.querySelector("p")?.childNodes ?? heading.childNodes);
    heading.replaceChildren(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      table.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const text = (row) => row.cells[column].textContent.trim().replaceAll(",", "");
      const compare = (one, other) => {
        const [a, b] = [text(one), text(other)];
        return (Number.isNaN(parseFloat(a)) || Number.isNaN(parseFloat(b)))
          ? a.localeCompare(b) : parseFloat(a) - parseFloat(b);
      };
      body.append(...[...body.rows].sort((one, other) => sign * compare(one, other)));
    });
  });
}

// A slider that chooses one of a strip's frames. Arrow keys, Home and End come with the browser.
function movable(strip) {
  const [slider, said] = [strip.querySelector("input"), strip.querySelector("output")];
  const frames = [...strip.querySelectorAll(".frame")];
  const show = () => {
    frames.forEach((frame, number) => { frame.hidden = number !== slider.valueAsNumber; });
    const frame = frames[slider.valueAsNumber];
    said.textContent = frame.dataset.value;
    const words = frame.querySelector("svg").getAttribute("aria-label");
    slider.setAttribute("aria-valuetext", `${frame.dataset.value}. ${words}`);
  };
  slider.addEventListener("input", show);
  strip.querySelector("label").hidden = false;
  slider.value = 0;  // some browsers keep what it was before the page was loaded anew
  show();
}
