// Asks the service over and over, for as long as a view is open and its page is seen.
const EVERY = 2000;

// `ask` returns a promise; `hear` gets what it resolves to, `fail` the problem. Returns {look, stop}.
export function looking(ask, hear, fail) {
  let timer = 0;
  let over = false;
  let turn = 0; // an answer to an older question is not heard

  async function look() {
    clearTimeout(timer);
    if (over || document.visibilityState === "hidden") return;
    const mine = turn += 1;
    let tell;
    try {
      const found = await ask();
      tell = () => hear(found);
    } catch (problem) {
      tell = () => fail(problem);
    }
    if (over || mine !== turn) return;
    timer = setTimeout(look, EVERY);
    tell();
  }

  document.addEventListener("visibilitychange", look);
  look();
  return { look, stop() {
    over = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  } };
}
