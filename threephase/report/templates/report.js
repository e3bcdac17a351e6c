"use strict";
document.documentElement.classList.add("scripted");
const said = document.getElementById("said");
const say = (text) => { said.textContent = text; };

// A table's title sorts by its column: numbers from the largest, texts from A.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if ("unsorted" in head.dataset) return;
    const name = head.textContent.trim();
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const compare = (one, other) => isNaN(one - other) ? one.localeCompare(other) : one - other;
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => compare(key(one), key(other)) * (order === "ascending" ? 1 : -1));
      table.tBodies[0].append(...rows);
      say(`Sorted by ${name}, ${order}`);
    });
  });
}

// One set of filters for all tables that can be filtered.
const controls = [...document.querySelectorAll("[data-filter]")];
const filtered = [...document.querySelectorAll("table.filterable > tbody > tr")];
const fits = (row) => controls.every((control) => !control.value || row.dataset[control.dataset.filter] === control.value);
const filter = () => {
  for (const row of filtered) row.hidden = !fits(row);
  const left = filtered.filter((row) => !row.hidden).length;
  document.querySelector(".filters .count").textContent = `${left} of ${filtered.length} rows`;
};
const showAll = () => {
  for (const control of controls) control.value = "";
  filter();
};
if (controls.length) {
  for (const control of controls) control.addEventListener("change", filter);
  document.querySelector("[data-reset]").addEventListener("click", showAll);
  filter();
}

// What is folded away is part of a printed page.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("main details:not([open])")) {
    folded.open = true;
    folded.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("main details[data-folded]")) {
    folded.open = false;
    delete folded.dataset.folded;
  }
});
