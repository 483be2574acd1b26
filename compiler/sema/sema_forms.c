// Which member of each `forms` a model is built with: see sema.h.
#include "compiler/sema/sema_internal.h"
#include <string.h>

static const Bind *member_of(const Stmt *forms, const char *name) {
  for (int i = 0; i < forms->forms.n; i++)
    if (!strcmp(forms->forms.v[i].name.s, name))
      return &forms->forms.v[i];
  return NULL;
}

int model_forms(const Model *m, const Stmt *const **forms) {
  *forms = (const Stmt *const *)m->forms.v;
  return m->forms.n;
}

int model_forms_asked(const Model *m, const Define **forms) {
  *forms = m->opt.forms;
  return m->opt.nforms;
}

const Bind *model_form_asked(const Model *m, const Stmt *forms) {
  for (int i = m->opt.nforms; i-- > 0;) {
    const Define *f = &m->opt.forms[i];
    bool named = !f->name || !strcmp(f->name, forms->names.v[0].s);
    const Bind *member = named ? member_of(forms, f->value) : NULL;
    if (member)
      return member;
  }
  return forms->forms.n == 1 ? &forms->forms.v[0] : NULL;
}

// How many members of one have a part in the choices, where those before it make `before` of them.
static int open_members(const Model *m, const Stmt *forms, int before) {
  int n = model_form_asked(m, forms) ? 1 : forms->forms.n;
  return n > 0 && n <= MODEL_CHOICES / before ? n : 1;
}

int model_choices(const Model *m) {
  int n = 1;
  for (int i = 0; i < m->forms.n; i++)
    n *= open_members(m, m->forms.v[i], n);
  return n;
}

void model_choose(Model *m, int choice) {
  m->choice = choice;
}

// The number of the choice in mixed radix: a digit for each `forms`.
const Bind *model_form(const Model *m, const Stmt *forms) {
  const Bind *asked = model_form_asked(m, forms);
  int before = 1, i = 0;
  for (; i < m->forms.n && m->forms.v[i] != forms; i++)
    before *= open_members(m, m->forms.v[i], before);
  int digit = i < m->forms.n ? m->choice / before % open_members(m, forms, before) : 0;
  return asked ? asked : &forms->forms.v[digit];
}

const char *model_choice_text(Arena *a, const Model *m) {
  const char *text = NULL;
  int before = 1;
  for (int i = 0; i < m->forms.n; i++) {
    const Stmt *f = m->forms.v[i];
    int n = open_members(m, f, before);
    before *= n;
    if (n > 1)
      text = arena_printf(a, "%s%s%s = %s", text ? text : "", text ? ", " : "", f->names.v[0].s,
                          model_form(m, f)->name.s);
  }
  return text;
}
