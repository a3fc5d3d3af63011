#!/bin/sh
# A service of the image, as far as PID 1 is concerned: it notes how it was started, and ends, which is nobody's business.
note=/run/${0##*/}
{
  echo "$0 $*"
  [ "$(cut -d' ' -f6 /proc/$$/stat)" != $$ ] || echo leads its session
  tr '\0' '\n' </proc/$$/environ
} >"$note.new"
mv "$note.new" "$note"
exit 1
