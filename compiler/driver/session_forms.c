// Which members of `forms` are taken, as the command line says or a run that goes on: see session.h.
#include "compiler/driver/session.h"
#include <string.h>

static void add_once(Arena *a, Strings *list, const char *name) {
  for (int i = 0; i < list->n; i++)
    if (!strcmp(list->v[i], name))
      return;
  vec_push(a, list, name);
}

static const char *listed(Session *s, const Strings *names) {
  const char *text = "";
  for (int i = 0; i < names->n; i++)
    text = session_text(s, "%s%s%s", text, i ? ", " : "", names->v[i]);
  return text;
}

// Members of all `forms` of that name.
static Strings members_of(Session *s, const char *value) {
  const Stmt *const *forms;
  Strings names = {0};
  for (int i = 0, n = model_forms(s->model, &forms); i < n; i++)
    for (int k = 0; !strcmp(forms[i]->names.v[0].s, value) && k < forms[i]->forms.n; k++)
      add_once(s->arena, &names, forms[i]->forms.v[k].name.s);
  return names;
}

static Strings values(Session *s) {
  const Stmt *const *forms;
  Strings names = {0};
  for (int i = 0, n = model_forms(s->model, &forms); i < n; i++)
    add_once(s->arena, &names, forms[i]->names.v[0].s);
  return names;
}

static int no_value(Session *s, const Define *f) {
  Strings names = values(s);
  const char *text = "", *near = session_near(s, f->name, listed(s, &names));
  for (int i = 0; i < names.n; i++) {
    Strings members = members_of(s, names.v[i]);
    text = session_text(s, "%s%s%s (%s)", text, i ? ", " : "", names.v[i], listed(s, &members));
  }
  return session_error(s, EXIT_USAGE, "--form %s=%s: there is no `forms %s`; there is: %s%s",
                       f->name, f->value, f->name, *text ? text : "none", near);
}

static int check_form(Session *s, const Define *f) {
  Strings names = members_of(s, f->name);
  const char *list = listed(s, &names);
  if (!names.n)
    return no_value(s, f);
  for (int i = 0; i < names.n; i++)
    if (!strcmp(names.v[i], f->value))
      return 0;
  return session_error(s, EXIT_USAGE, "--form %s=%s: `forms %s` has no such member; it has: %s%s",
                       f->name, f->value, f->name, list, session_near(s, f->value, list));
}

int session_forms(Session *s) {
  int status = 0;
  for (int i = 0; i < s->o->forms.n && !status; i++)
    status = check_form(s, &s->o->forms.v[i]);
  return status;
}

// ---- a run that goes on

static bool began_with(const Session *s, const Define *f) {
  for (int i = 0; i < s->forms.n; i++)
    if (!strcmp(s->forms.v[i].name, f->name) && !strcmp(s->forms.v[i].value, f->value))
      return true;
  return false;
}

static void add_forms(Session *s, const JsonValue *forms) {
  for (const JsonValue *v = forms ? forms->child : NULL; v; v = v->next) {
    const JsonValue *value = v->child, *member = value ? value->next : NULL;
    if (member && value->kind == JSON_STRING && member->kind == JSON_STRING)
      vec_push(
          s->arena, &s->forms,
          ((Define){arena_strdup(s->arena, value->text), arena_strdup(s->arena, member->text)}));
  }
}

int session_forms_again(Session *s, const JsonValue *forms) {
  add_forms(s, forms);
  for (int i = 0; i < s->o->forms.n; i++) {
    const Define *f = &s->o->forms.v[i];
    if (!began_with(s, f))
      return session_error(s, EXIT_USAGE,
                           "--form %s=%s: %s goes on with the members that it began with", f->name,
                           f->value, s->weights);
  }
  return 0;
}
