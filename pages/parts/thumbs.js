// Small pictures of real images, many on a page. `thumbs`: pages (their addresses), side, columns, per_page, count.

// Where image number `index` of the split lies, in pixels of its page; null where there is no picture of it.
function thumbOf(thumbs, index) {
  if (!thumbs || index >= thumbs.count) return null;
  const page = Math.floor(index / thumbs.per_page), tile = index % thumbs.per_page, { side, columns } = thumbs;
  const rows = Math.ceil(Math.min(thumbs.per_page, thumbs.count - page * thumbs.per_page) / columns);
  const place = { x: (tile % columns) * side, y: Math.floor(tile / columns) * side };
  return { url: thumbs.pages[page], side, width: columns * side, height: rows * side, ...place };
}

function paintSprite(element, { url, x, y, side, width, height }, size) {
  const scale = size / side;
  Object.assign(element.style, {
    width: `${size}px`,
    height: `${size}px`,
    backgroundImage: `url("${url.replaceAll('"', "%22")}")`,
    backgroundPosition: `${-x * scale}px ${-y * scale}px`,
    backgroundSize: `${width * scale}px ${height * scale}px`,
  });
}
