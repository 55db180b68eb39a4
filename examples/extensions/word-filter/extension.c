// Stars out words that are not wanted in messages and edits; refuses names and profiles that have one.
#include <stdlib.h>
#include <string.h>

#include "word_filter.h"

typedef exports_tidings_extension_moderation_borrow_call_t call_t;
typedef exports_tidings_extension_moderation_borrow_draft_t draft_t;

// Letters, digits, and every byte beyond ASCII: what is written in several bytes is a letter here.
static bool is_letter(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}

static uint8_t small(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte; }

static bool is_same(const uint8_t *word, size_t length, const uint8_t *unwanted, size_t unwanted_length) {
  if (length != unwanted_length) return false;
  for (size_t at = 0; at < length; at++) {
    if (small(word[at]) != small(unwanted[at])) return false;
  }
  return true;
}

// The setting is a JSON list of texts. They are words, so what stands between two quotes is one as it is: a `\` in it would be no
// letter, and such a text is compared with nothing that could fit.
static bool is_unwanted(const uint8_t *word, size_t length, const word_filter_string_t *words) {
  const uint8_t *at = words->ptr, *end = words->ptr + words->len;
  while ((at = memchr(at, '"', end - at)) != NULL) {
    const uint8_t *from = ++at;
    while (at < end && *at != '"') at += *at == '\\' && at + 1 < end ? 2 : 1;
    if (at >= end) return false;
    if (is_same(word, length, from, at - from)) return true;
    at++;
  }
  return false;
}

// Puts a star in the place of each byte of a word that is not wanted. How many there were.
static size_t star_out(word_filter_string_t *text, const word_filter_string_t *words) {
  size_t found = 0, at = 0;
  while (at < text->len) {
    if (!is_letter(text->ptr[at])) {
      at++;
      continue;
    }
    size_t from = at;
    while (at < text->len && is_letter(text->ptr[at])) at++;
    if (is_unwanted(text->ptr + from, at - from, words)) {
      memset(text->ptr + from, '*', at - from);
      found++;
    }
  }
  return found;
}

bool exports_tidings_extension_moderation_review(call_t call, draft_t draft,
                                                 exports_tidings_extension_moderation_hook_error_t *error) {
  (void)call;
  (void)error;
  word_filter_string_t setting, words, text;
  word_filter_string_set(&setting, "words");
  if (!tidings_extension_config_get(&setting, &words)) return true;
  tidings_extension_drafts_method_draft_text(draft, &text);
  if (star_out(&text, &words) == 0) return true;

  switch (tidings_extension_drafts_method_draft_kind(draft)) {
    case TIDINGS_EXTENSION_DRAFTS_DRAFT_KIND_MESSAGE:
    case TIDINGS_EXTENSION_DRAFTS_DRAFT_KIND_EDIT: {
      tidings_extension_drafts_refusal_t refusal;
      if (tidings_extension_drafts_method_draft_replace_text(draft, &text, &refusal)) return true;
      break;
    }
    default:
      break;
  }
  // A name or a profile, or a text that may not be replaced.
  word_filter_string_t reason;
  word_filter_string_set(&reason, "a word in it is not wanted here");
  tidings_extension_drafts_method_draft_reject(draft, &reason);
  return true;
}
