// What the pages do beyond HTML and htmx. Everything works without it, at the price of reloads.
(() => {
  "use strict";

  // Times: the server shows the viewer's zone once it knows it from this cookie; until then, and on
  // the first page, they are rewritten here.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const secure = location.protocol === "https:" ? ";secure" : "";
    document.cookie = `ringside_zone=${zone};path=/;max-age=31536000;samesite=lax${secure}`;
  }
  const short = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: zone });
  const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long", timeZone: zone });
  const putTimes = (root) => {
    if (!zone || document.body.dataset.zone === zone) return;
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime()) || time.dataset.local) continue;
      time.dataset.local = "true";
      time.textContent = short.format(at);
      time.title = full.format(at);
    }
    const name = document.querySelector("[data-zone-name]");
    if (name) name.textContent = zone;
  };

  // Copy buttons: <button data-copy="id of what is copied">.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    if (!navigator.clipboard) { // only where the connection is safe
      getSelection().selectAllChildren(source);
      return;
    }
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });

  // A box that ticks all others of its table: <input type="checkbox" data-all="name">.
  document.addEventListener("change", (event) => {
    const all = event.target.closest("[data-all]");
    if (!all) return;
    for (const box of document.querySelectorAll(`input[type=checkbox][name="${CSS.escape(all.dataset.all)}"]`)) box.checked = all.checked;
  });

  // A file dropped on <label data-drop="id of the file input"> is chosen there.
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      const zone = event.target.closest && event.target.closest("[data-drop]");
      if (!zone) return;
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      const input = document.getElementById(zone.dataset.drop);
      if (name === "drop" && input && event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }

  // On a phone the navigation scrolls sideways: where one is should be in sight.
  const showHere = () => {
    for (const here of document.querySelectorAll("nav [aria-current=page]")) here.scrollIntoView({ block: "nearest", inline: "center" });
  };

  document.addEventListener("DOMContentLoaded", () => { putTimes(document); showHere(); });
  document.addEventListener("htmx:load", (event) => putTimes(event.target));
  // A live list keeps as many rows as a page has.
  document.addEventListener("htmx:sseMessage", () => {
    for (const row of [...document.querySelectorAll("#rows > tr")].slice(50)) row.remove();
  });
  document.addEventListener("htmx:sseMessage", (event) => putTimes(event.target));
})();
