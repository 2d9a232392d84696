# What ./scsim, ./scexec and ./test share: packages of Debian, and a build that is up to date.
#
# A build is up to date when the stamp beside it is newer than every source file and folder. The
# stamp takes its time from before the build began, so that what changes meanwhile is built next
# time; it holds the path of the tree, so that a tree that was moved is built afresh.
#
# REQUIRES: `root`, the tree; `me`, the name that messages begin with; set -euo pipefail.

say() { printf '%s: %s\n' "$me" "$*" >&2; }

# wanted_packages SECTION...: those of the sections that this machine lacks, one a line.
missing_packages() {
  local section="" package program installed
  installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null |
                sed -n 's/^installed //p' | tr '\n' ' ')"
  while read -r package program; do
    case $package in
      "" | "#"*) continue ;;
      "["*"]") section=${package//[\[\]]/}; continue ;;
    esac
    [[ " $* " == *" $section "* ]] || continue
    if [[ -n $program ]] && command -v "$program" >/dev/null; then continue; fi
    [[ $installed == *" $package "* ]] || echo "$package"
  done < "$root/cmake/debian_packages.txt"
}

# install_packages SECTION...: installs what is missing of Debian's packages, or says what is and
# gives up. On a system without dpkg only CMake can tell, so there it is left to CMake.
install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian; its packages" $(missing_packages "$@") "must be here under other names"
    return
  fi
  local missing as_root=() apt=(apt-get -q -o DPkg::Lock::Timeout=300)
  missing=$(missing_packages "$@" | tr '\n' ' ')
  missing=${missing% }
  [[ -n $missing ]] || return 0
  if ! command -v apt-get >/dev/null; then
    say "missing Debian packages: $missing; there is no apt-get here to install them"
    exit 1
  fi
  if [[ $(id -u) != 0 ]]; then
    as_root=(sudo -n)
    if ! sudo -n true 2>/dev/null; then
      say "missing Debian packages: $missing; as root: apt-get install $missing"
      exit 1
    fi
  fi
  say "installing Debian packages: $missing"
  "${as_root[@]}" "${apt[@]}" update >&2 || say "apt-get update failed; trying with the lists at hand"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    "${apt[@]}" install -y --no-install-recommends $missing >&2 ||
    { say "apt-get could not install: $missing"; exit 1; }
}

# is_built PRESET PROGRAM FOLDER...: whether build/PRESET/PROGRAM is newer than the folders.
is_built() {
  local stamp=$root/build/$1/built program=$root/build/$1/$2 built_root="" folder
  local sources=("$root/CMakeLists.txt" "$root/CMakePresets.json")
  shift 2
  [[ -x $program && -f $stamp ]] || return 1
  read -r built_root < "$stamp" || true
  [[ $built_root == "$root" ]] || return 1
  for folder; do
    if [[ -d $root/$folder ]]; then sources+=("$root/$folder"); fi
  done
  [[ -z $(find "${sources[@]}" -newer "$stamp" ! -name '*.md' -print -quit) ]]
}

# build PRESET TARGET: configures and builds, everything it says going to stderr.
build() {
  local preset=$1 target=$2 folder=$root/build/$1 built_root="" fresh=() started=$SECONDS stamp
  for stamp in "$folder/built" "$folder/built.begun"; do   # what was interrupted goes on
    if [[ -f $stamp ]]; then read -r built_root < "$stamp" || true; fi
  done
  if [[ $built_root != "$root" ]]; then fresh=(--fresh); fi
  mkdir -p "$folder"
  printf '%s\n' "$root" > "$folder/built.begun"
  # Presets are found in the working directory; the user's own does not matter to a build.
  if ! (cd "$root" && cmake "${fresh[@]}" --preset "$preset") > "$folder/configure.log" 2>&1; then
    cat "$folder/configure.log" >&2
    say "CMake could not configure; the packages it needs are listed in cmake/debian_packages.txt"
    exit 1
  fi
  if ! cmake --build "$folder" --target "$target" --parallel "$(nproc)" >&2; then
    say "the build failed; what it says is above"
    exit 1
  fi
  mv "$folder/built.begun" "$folder/built"
  say "built in $((SECONDS - started)) s"
}

# build_alone PRESET TARGET SECTION...: packages, with the section [exec] libtorch too, and build; one
# invocation at a time.
build_alone() {
  local preset=$1 target=$2 lock
  shift 2
  if ! mkdir -p "$root/build" 2>/dev/null || [[ ! -w $root/build ]]; then
    say "$root/build must be built, and cannot be written"
    exit 1
  fi
  exec {lock}> "$root/build/$preset.lock"
  flock -n "$lock" || { say "waiting for another build of build/$preset"; flock "$lock"; }
  if ! up_to_date; then
    install_packages "$@"
    if [[ " $* " == *" exec "* ]]; then install_libtorch; fi
    say "building build/$preset"
    build "$preset" "$target"
  fi
  exec {lock}>&-
}
