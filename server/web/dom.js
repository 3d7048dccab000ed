// Builds elements. Text is only ever text, so that nothing a counter is called can become markup.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// A notice that a person can act on stays longer than one that only tells.
export function notice(text, { error = false, action = null } = {}) {
  const box = el("div", { className: error ? "notice error" : "notice" }, el("span", {}, text));
  const close = () => box.remove();
  if (action) {
    box.append(el("button", { type: "button", onclick: () => { close(); action.run(); } }, action.label));
  }
  const notices = document.getElementById("notices");
  notices.append(box);
  while (notices.children.length > 3) notices.firstElementChild.remove();
  setTimeout(close, action ? 9000 : 6000);
}

export const number = (value) => value.toLocaleString();

export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString();
}
