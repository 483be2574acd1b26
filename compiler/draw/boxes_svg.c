// Boxes as SVG: one file, nothing from elsewhere, readable on white paper and on a dark screen.
#include "compiler/draw/boxes.h"
#include "compiler/draw/svg.h"
#include <string.h>

enum { MARGIN = 20, HEADING = 18, NOTE_LINE = 17, SIGN = 16 };

static const char style[] =
    ".boxes{font:11px "
    "sans-serif;--ink:#1f2933;--dim:#616e7c;--line:#9aa5b1;--edge:#52606d;--even:#f5f7fa;--odd:#"
    "fff;"
    "--product:#e3f0fb;--product-line:#6aa6d8;--table:#e4f4e9;--table-line:#6fb787;--rows:#f6efdf;-"
    "-rows-line:#c9a959;"
    "--mix:#f1e8f8;--mix-line:#a883c9;--ops:#fff;--badge:#0072b2;background:#fff}"
    "@media(prefers-color-scheme:dark){.boxes{--ink:#e4e7eb;--dim:#9aa5b1;--line:#52606d;--edge:#"
    "9aa5b1;--even:#1c232b;"
    "--odd:#242d37;--product:#17344d;--product-line:#3d7cae;--table:#183a26;--table-line:#3f8d5b;--"
    "rows:#3b321b;"
    "--rows-line:#8f7533;--mix:#33234a;--mix-line:#7d58a3;--ops:#161b21;--badge:#56b4e9;background:"
    "#12171d}}"
    ".boxes text{fill:var(--dim)}.boxes .title{font-size:13px;font-weight:bold;fill:var(--ink)}"
    ".boxes .heading{font-size:18px;font-weight:bold;fill:var(--ink)}.boxes .note{font-size:12px}"
    ".boxes .times{font-weight:bold;fill:var(--badge)}.boxes .axes{font-size:10px}.boxes "
    ".op{fill:var(--ink)}"
    ".boxes rect{stroke:var(--line);fill:var(--odd)}.boxes .even{fill:var(--even)}"
    ".boxes .product{fill:var(--product);stroke:var(--product-line)}.boxes "
    ".table{fill:var(--table);stroke:var(--table-line)}"
    ".boxes .rows{fill:var(--rows);stroke:var(--rows-line)}.boxes "
    ".mix{fill:var(--mix);stroke:var(--mix-line)}"
    ".boxes .ops{fill:var(--ops)}.boxes .end{fill:none;stroke:none}.boxes "
    ".end+text{fill:var(--ink)}"
    ".boxes .again{fill:none}"
    ".boxes .sign{font-size:14px;font-weight:bold}.boxes "
    ".edge{fill:none;stroke:var(--edge);stroke-width:1.2}.boxes circle{fill:var(--edge)}";

typedef struct BoxPaper {
  FILE *f;
  bool inside; // of a page with a script
} BoxPaper;

static void put_text(const BoxPaper *p, double x, double y, const char *class, const char *text) {
  fprintf(p->f, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
  xml_text(p->f, text);
  fputs("</text>\n", p->f);
}

// ---- edges: down, over to the side between two rows, down
static void put_way(const BoxPaper *p, const LayerEdge *e, bool arrow) {
  double y = e->piece[e->n - 1].y1, x = e->piece[e->n - 1].x;
  for (int i = 0; i < e->n; i++) {
    const LayerPiece *s = &e->piece[i];
    if (i) {
      double mid = (e->piece[i - 1].y1 + s->y0) / 2;
      fprintf(p->f, "C%.1f %.1f %.1f %.1f %.1f %.1f", e->piece[i - 1].x, mid, s->x, mid, s->x,
              s->y0);
    } else
      fprintf(p->f, "M%.1f %.1f", s->x, s->y0);
    fprintf(p->f, "V%.1f", s->y1);
  }
  if (arrow)
    fprintf(p->f, "M%.1f %.1fL%.1f %.1fL%.1f %.1f", x - 3.5, y - 6, x, y, x + 3.5, y - 6);
}

static void put_link(const BoxPaper *p, const DrawBox *b, const DrawLink *l) {
  bool arrow = b->child.v[l->to]->kind != BOX_LEAVE;
  fprintf(p->f, "<path class=\"edge\"");
  if (p->inside) {
    fprintf(p->f, " data-ends=\"%d %d %d\" data-way=\"", l->from, l->to, arrow);
    for (int i = 0; i < l->way.n; i++)
      fprintf(p->f, "%s%.1f %d", i ? " " : "", l->way.piece[i].x, l->way.piece[i].row);
    fputs("\"", p->f);
  }
  fputs(" d=\"", p->f);
  put_way(p, &l->way, arrow);
  fputs("\"/>\n", p->f);
}

// ---- boxes
static void put_title(const BoxPaper *p, const DrawBox *b) {
  double x = BOX_PAD, y = BOX_LINE + 3;
  put_text(p, x, y, "title", b->title);
  x += box_text_width(b->title, BOX_TITLE, true) + 7;
  if (b->what) {
    put_text(p, x, y, "what", b->what);
    x += box_text_width(b->what, BOX_SMALL, false) + 7;
  }
  if (b->times) {
    double w = box_text_width(b->times, BOX_SMALL, true) + 10;
    x = b->w - BOX_PAD - w + 4 - (p->inside && b->child.n ? SIGN : 0);
    fprintf(p->f,
            "<rect class=\"again\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"16\" rx=\"8\"/>\n",
            x, y - 12, w);
    put_text(p, x + 5, y, "times", b->times);
  }
}

static void put_lines(const BoxPaper *p, const DrawBox *b) {
  double y = b->title ? 2 * BOX_LINE + 4 : BOX_LINE + 1;
  for (int i = 0; i < b->line.n; i++, y += BOX_LINE)
    if (b->kind == BOX_OPS)
      put_text(p, (b->w - box_text_width(b->line.v[i], BOX_SMALL, false)) / 2, y, "op",
               b->line.v[i]);
    else
      put_text(p, BOX_PAD, y, "fact", b->line.v[i]);
}

static void put_leaving(const BoxPaper *p, const DrawBox *b) {
  for (int i = 0; i < b->leaving.n; i++) {
    const DrawBox *leave = b->leaving.v[i].leave;
    double x = leave ? BOX_PAD + leave->x + leave->w / 2 : b->w / 2;
    put_text(p, x + 5, b->h + 11, "axes", b->leaving.v[i].text);
  }
}

static const char *look_of(const DrawBox *b, int depth) {
  switch (b->kind) {
  case BOX_OPS: return "ops";
  case BOX_INPUT:
  case BOX_OUTPUT: return "end";
  default: return b->child.n ? depth % 2 ? "even" : "odd" : b->look;
  }
}

static void put_frame(const BoxPaper *p, const DrawBox *b, int depth) {
  double round = b->kind == BOX_OPS ? 9 : 5;
  fprintf(p->f, "<rect class=\"%s\" width=\"%.1f\" height=\"%.1f\" rx=\"%.0f\"/>\n",
          look_of(b, depth), b->w, b->h, round);
}

static void put_box(const BoxPaper *p, const DrawBox *b, int row, int depth);
static void put_entry(const BoxPaper *p, const DrawBox *around, const DrawBox *b);

static void put_inside(const BoxPaper *p, const DrawBox *b, int depth) {
  for (int i = 0; i < b->link.n; i++)
    put_link(p, b, &b->link.v[i]);
  for (int i = 0; i < b->child.n; i++) {
    if (b->child.v[i]->kind == BOX_ENTER)
      put_entry(p, b, b->child.v[i]);
    put_box(p, b->child.v[i], b->in.node[i].row, depth + 1);
  }
}

static void open_inside(const BoxPaper *p, const DrawBox *b) {
  fprintf(p->f, "<g class=\"in\" transform=\"translate(%d %.1f)\"", BOX_PAD, b->head);
  if (p->inside) {
    fputs(" data-gaps=\"", p->f);
    for (int r = 0; r + 1 < b->in.nrow; r++)
      fprintf(p->f, "%s%.1f", r ? " " : "", b->in.row[r + 1].top - b->in.row[r].bottom);
    fputs("\"", p->f);
  }
  fputs(">\n", p->f);
}

static void open_box(const BoxPaper *p, const DrawBox *b, int row) {
  fprintf(p->f, "<g class=\"box\" transform=\"translate(%.1f %.1f)\"", b->x, b->y);
  if (p->inside) {
    fprintf(p->f, " data-h=\"%.1f\" data-head=\"%.1f\"", b->h, b->head);
    fprintf(p->f, " data-room=\"%d\" data-row=\"%d\"", b->leaving.n ? BOX_AXES_ROOM : 0, row);
    fprintf(p->f, " data-tail=\"%.1f\"%s", b->child.n ? b->h - b->head - b->in.h : 0,
            b->as ? " data-as=\"1\"" : "");
  }
  if (p->inside && b->path) {
    fputs(" data-path=\"", p->f);
    xml_text(p->f, b->path);
    fputs("\"", p->f);
  }
  fputs(">\n", p->f);
}

// From the side of the box around it, where no text is in between.
static void put_entry(const BoxPaper *p, const DrawBox *around, const DrawBox *b) {
  double x = b->x + b->w / 2, badge = around->times ? 80 : 24;
  if (BOX_PAD + x > box_head_width(around) + 6 && BOX_PAD + x < around->w - badge)
    fprintf(p->f, "<path class=\"edge\" d=\"M%.1f %.1fV%.1f\"/>\n", x, -around->head,
            b->y + b->h / 2);
}

static void put_port(const BoxPaper *p, const DrawBox *b) {
  if (b->kind == BOX_ENTER)
    fprintf(p->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", b->w / 2, b->h / 2);
}

static void put_content(const BoxPaper *p, const DrawBox *b, int depth) {
  put_frame(p, b, depth);
  if (b->path) {
    fputs("<title>", p->f);
    xml_text(p->f, b->path);
    fputs("</title>\n", p->f);
  }
  if (b->title)
    put_title(p, b);
  if (p->inside && b->child.n)
    put_text(p, b->w - SIGN, BOX_LINE + 3, "sign", "\xE2\x88\x92");
  put_lines(p, b);
}

static void put_box(const BoxPaper *p, const DrawBox *b, int row, int depth) {
  open_box(p, b, row);
  if (b->kind == BOX_ENTER || b->kind == BOX_LEAVE)
    put_port(p, b);
  else
    put_content(p, b, depth);
  put_leaving(p, b);
  if (b->child.n) {
    open_inside(p, b);
    put_inside(p, b, depth);
    fputs("</g>\n", p->f);
  }
  fputs("</g>\n", p->f);
}

// ---- the picture
static double heading_width(const BoxPicture *p) {
  double w = box_text_width(p->title, HEADING, true);
  for (int i = 0; i < p->notes; i++) {
    double n = box_text_width(p->note[i], 12, false);
    w = n > w ? n : w;
  }
  return w;
}

static void open_svg(FILE *f, const BoxPicture *p, double w, double h) {
  if (!p->inside)
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", f);
  fprintf(f,
          "<svg%s class=\"boxes\" role=\"img\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
          "height=\"%.0f\">\n<title>",
          p->inside ? "" : " xmlns=\"http://www.w3.org/2000/svg\"", w, h, w, h);
  xml_text(f, p->title);
  fprintf(f, "</title>\n<style>%s</style>\n", style);
}

void boxes_svg(FILE *f, const BoxPicture *p) {
  const BoxPaper paper = {f, p->inside};
  const DrawBox *root = p->root;
  double top = MARGIN + HEADING + 4 + p->notes * NOTE_LINE + 14, w = heading_width(p);
  w = root->in.w > w ? root->in.w : w;
  open_svg(f, p, w + 2 * MARGIN, top + root->in.h + MARGIN);
  put_text(&paper, MARGIN, MARGIN + HEADING - 4, "heading", p->title);
  for (int i = 0; i < p->notes; i++)
    put_text(&paper, MARGIN, MARGIN + HEADING + 4 + (i + 0.8) * NOTE_LINE, "note", p->note[i]);
  fprintf(f, "<g transform=\"translate(%.1f %.1f)\">\n", MARGIN - BOX_PAD + (w - root->in.w) / 2,
          top);
  open_inside(&paper, &(DrawBox){.in = root->in});
  put_inside(&paper, root, 0);
  fputs("</g>\n</g>\n</svg>\n", f);
}
