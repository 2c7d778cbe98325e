"use strict";
// Makes a button of each table's column headers: a click sorts, upwards, then downwards, and the
// third brings back the order of the page. Without this script the tables stand as they are.
{
  const MISSING = "–";
  const NUMBER = /^(<|more than)?\s*([+\-−]?)(\d{1,3}(?:,\d{3})+(?!\d)|\d+)((?:\.\d+)?(?:e[+-]?\d+)?)/;
  const PART = /\d+(?:\.\d+)?(?:e[+-]?\d+)?|\D+/g;
  const order = new Intl.Collator("en");

  // The first number of "−2.09 to +10.20", "90.12 ± 0.31 %", "719,626" or "< 0.001", if it opens
  // the text; what is below or above a bound sorts just outside it.
  function number(text) {
    const found = NUMBER.exec(text);
    if (!found) return null;
    const [, bound, sign, whole, rest] = found;
    const value = Number(whole.replaceAll(",", "") + rest);
    const beyond = bound === undefined ? 0 : bound === "<" ? -1e-9 : 1e-9;
    return (sign === "" || sign === "+" ? value : -value) + beyond;
  }

  // "dropout=0.05" before "dropout=0.1", "hidden_size=64" before "hidden_size=256".
  function compareWords(a, b) {
    const [left, right] = [a, b].map((text) => text.match(PART) ?? []);
    for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
      const difference = Number(left[i]) - Number(right[i]);
      const found = Number.isNaN(difference) ? order.compare(left[i], right[i]) : difference;
      if (found) return found;
    }
    return left.length - right.length;
  }

  // Numbers before words in a column of numbers; rows that are alike keep the page's order.
  function compare(a, b, numeric) {
    const [left, right] = numeric ? [number(a), number(b)] : [null, null];
    if (left !== null && right !== null) return left - right;
    if (left !== null || right !== null) return left !== null ? -1 : 1;
    return compareWords(a, b);
  }

  function sorted(rows, column, numeric, direction) {
    const text = (row) => row.cells[column].textContent.trim();
    const missing = (row) => text(row) === MISSING || text(row) === "";
    return [...rows].sort((a, b) =>
      missing(a) || missing(b)
        ? missing(a) - missing(b)
        : direction * compare(text(a), text(b), numeric));
  }

  function prepare(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    if (original.length < 2) return;
    const click = (head, column) => {
      const next = { ascending: "descending", descending: null }[head.ariaSort];
      const direction = next === undefined ? "ascending" : next;
      for (const other of heads) other.removeAttribute("aria-sort");
      if (direction) head.setAttribute("aria-sort", direction);
      const numeric = head.classList.contains("number");
      body.append(...(direction
        ? sorted(original, column, numeric, direction === "ascending" ? 1 : -1)
        : original));
    };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => click(head, column));
      head.append(button);
    });
  }

  document.querySelectorAll("table").forEach(prepare);
}
