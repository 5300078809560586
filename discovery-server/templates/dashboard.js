// Replaces the page's content every few seconds, without losing what the reader has opened or scrolled to.
const INTERVAL = 5000;

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    for (const part of fresh.querySelectorAll("details")) {
      const shown = document.getElementById(part.id);
      if (shown) part.open = shown.open;
    }
    document.querySelector("main").replaceWith(fresh);
    document.title = page.title;
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  }
}

setInterval(refresh, INTERVAL);
document.addEventListener("visibilitychange", refresh);
