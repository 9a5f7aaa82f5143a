// Loaded before the first paint, so that a chosen theme does not flash. Kept: "light" or "dark"; nothing: as the system has it.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("noclobber-theme");
  } catch {
    // A browser that keeps nothing shows the system's theme.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
