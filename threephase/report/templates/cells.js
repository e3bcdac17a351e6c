// A number opens the details of its cell; the address then names that number, so that it can be sent to others.
const panels = new Map();
const mark = (panel, metric) => {
  for (const place of panel.querySelectorAll("[data-metric]")) {
    place.classList.toggle("chosen", place.dataset.metric === metric);
  }
};
const bare = () => location.pathname + location.search;

for (const panel of document.querySelectorAll(".details[popover]")) {
  panels.set(panel.id, panel);
  panel.addEventListener("toggle", (event) => {
    if (event.newState === "open") {
      panel.scrollTop = 0;
      panel.querySelector(".bar button").focus();
    } else if (location.hash.startsWith("#cell=") && !document.querySelector(".details:popover-open")) {
      history.replaceState(null, "", bare());
    }
  });
}

const chosen = (button) => {
  mark(panels.get(button.getAttribute("popovertarget")), button.dataset.cell.split("/").pop());
};
for (const button of document.querySelectorAll("button[data-cell]")) {
  button.addEventListener("click", () => {
    chosen(button);
    history.replaceState(null, "", "#" + encodeURI(button.dataset.cell));
  });
}

// An address leads to its place, and one that names a number to that, whatever is filtered or folded away.
const unfold = (place) => {
  if (!place) return;
  for (let folded = place.closest("details"); folded; folded = folded.parentElement.closest("details")) folded.open = true;
  place.scrollIntoView();
};
const follow = () => {
  let name = "";
  try { name = decodeURIComponent(location.hash.slice(1)); } catch { return; }
  if (!name.startsWith("cell=")) {
    unfold(document.getElementById(name));
    return;
  }
  const button = document.getElementById(name);
  if (!button) {
    say("No such cell on this page: " + name.slice(5));
    return;
  }
  if (button.closest("tr").hidden) showAll();
  unfold(button);
  button.scrollIntoView({ block: "center", inline: "center" });
  chosen(button);
  const panel = panels.get(button.getAttribute("popovertarget"));
  if (panel.matches(":popover-open")) return;
  button.focus({ preventScroll: true });
  panel.showPopover();
};
addEventListener("hashchange", follow);
follow();
