# What the install scripts share: things that are built once and kept under $RAWRZ_CACHE. To be sourced.

cache=${RAWRZ_CACHE:-$HOME/.cache/rawrz}
mkdir -p "$cache"

say() { printf 'install: %s\n' "$*" >&2; }

# build NAME KEY COMMAND...: runs COMMAND in the emptied directory $cache/NAME unless it was finished there before with the same KEY.
# The lock keeps two checkouts that share the cache from building in one place.
build() {
    local dir=$cache/$1 key=$2
    shift 2
    mkdir -p "$(dirname "$dir")"
    exec {lock}>"$dir.lock"
    flock "$lock"
    if [ "$(cat "$dir/.built" 2>/dev/null)" != "$key" ]; then
        say "building $dir"
        rm -rf "$dir"
        mkdir -p "$dir"
        (
            cd "$dir"
            "$@"
        )
        printf '%s\n' "$key" >"$dir/.built"
    fi
    exec {lock}>&-
}
