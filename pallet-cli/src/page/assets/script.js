// What the page can do with scripts; without them it shows everything.
"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // Dark or light: what the system says, until somebody says otherwise.
  const root = document.documentElement;
  const theme = one("#theme");
  const remember = (value) => { try { localStorage.setItem("pallet-theme", value); } catch {} };
  const remembered = () => { try { return localStorage.getItem("pallet-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  if (["dark", "light"].includes(remembered())) root.dataset.theme = remembered();
  theme.hidden = false;
  label();
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    label();
  });

  // Which nodes are shown.
  const tools = one("#tools");
  if (!tools) return;
  tools.hidden = false;
  const words = one("#filter");
  const trouble = one("#trouble");
  const unchanged = one("#unchanged");
  const told = one("#told");
  const rows = all("[data-node]");
  const apply = () => {
    const word = words.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = row.dataset.node.toLowerCase().includes(word)
        && (!trouble.checked || row.dataset.failed === "yes");
      row.hidden = !fits;
      if (fits && row.matches("details")) shown += 1;
    }
    const nodes = rows.filter((row) => row.matches("details")).length;
    told.textContent = shown === nodes ? "" : `${shown} of ${nodes} nodes`;
    one("#nodes").classList.toggle("brief", !unchanged.checked);
  };
  words.addEventListener("input", apply);
  trouble.addEventListener("change", apply);
  unchanged.addEventListener("change", apply);
  apply();

  const details = all("details.node");
  one("#open").addEventListener("click", () => {
    const shut = details.some((node) => !node.hidden && !node.open);
    for (const node of details) if (!node.hidden) node.open = shut;
  });

  // Who follows a link to a node wants to see what is in it.
  const follow = () => {
    const node = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (node && node.matches("details")) {
      node.hidden = false;
      node.open = true;
      node.scrollIntoView();
      node.querySelector("summary").focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", follow);
  follow();
})();
