/* SPDX-License-Identifier: BSD-3-Clause */
"use strict";
// Sort a table by the column whose heading is pressed; numbers by value, what is absent last.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => {
    heading.firstElementChild.addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const keyed = [...body.rows].map((row) => [key(row.cells[index]), row]);
      keyed.sort(([a], [b]) => compare(a, b, up ? 1 : -1));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
function key(cell) {
  return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
}
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
}
// What is folded away is printed.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
