// Command sbom says what a Go binary was linked from: a bill of materials (CycloneDX 1.6, JSON), and the licences of all libraries in one text.
// It reads what the linker has left in the binary, and asks the go command where the modules lie. The same binary and the same
// SOURCE_DATE_EPOCH give the same bytes.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	version := flag.String("version", "", "version of the program")
	bom := flag.String("bom", "", "write the bill of materials to this file")
	notices := flag.String("notices", "", "write the licences of the libraries to this file")
	flag.Parse()
	if err := run(flag.Arg(0), *version, *bom, *notices, os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(binary, version, bom, notices, epoch string) error {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if binary == "" || version == "" || err != nil {
		return errors.New("name a binary, give -version, and set SOURCE_DATE_EPOCH")
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	modules, err := linked(info)
	if err != nil {
		return err
	}
	if bom != "" {
		program := program{filepath.Base(info.Path), version, sha256.Sum256(content), time.Unix(seconds, 0).UTC()}
		text, err := json.MarshalIndent(materials(program, info, modules), "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(bom, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if notices != "" {
		return os.WriteFile(notices, noticesOf(modules), 0o644)
	}
	return nil
}

// module is a library that was linked.
type module struct {
	path, version string
	sum           string // of go.sum; "" for the standard library
	direct        bool   // the program itself imports it
	files         []licenceFile
}

type licenceFile struct {
	name string
	text []byte
}

// linked are the modules of a binary: the standard library, and the others in the order of their paths, as the linker has them.
func linked(info *buildinfo.BuildInfo) ([]module, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	std := module{path: "std", version: strings.TrimPrefix(info.GoVersion, "go"), direct: true}
	if std.files, err = licenceFiles(strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	list := []module{std}
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Version}} {{.Indirect}} {{.Dir}}"}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			return nil, fmt.Errorf("%s is replaced, and what by is not known to others", dep.Path)
		}
		args = append(args, dep.Path)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, dep := range info.Deps {
		dir, found := strings.CutPrefix(lines[min(i, len(lines)-1)], dep.Path+" "+dep.Version+" ")
		if !found {
			return nil, fmt.Errorf("%s was linked in %s, and go.mod names another: build it again", dep.Path, dep.Version)
		}
		indirect, dir, _ := strings.Cut(dir, " ")
		m := module{path: dep.Path, version: dep.Version, sum: dep.Sum, direct: indirect == "false"}
		if m.files, err = licenceFiles(dir); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// licenceFiles are the files at the top of a module that speak of its licence. There must be one.
func licenceFiles(dir string) ([]licenceFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []licenceFile
	for _, e := range entries {
		stem, _, _ := strings.Cut(strings.ToLower(e.Name()), ".")
		if e.IsDir() || !slices.Contains([]string{"license", "licence", "copying", "notice", "copyright", "patents"}, stem) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, licenceFile{e.Name(), text})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no licence was found", dir)
	}
	return list, nil
}

// noticesOf is the text that goes with the binary: most licences ask for it.
func noticesOf(modules []module) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "The program is linked with these %d libraries.\n", len(modules))
	for _, m := range modules {
		for _, f := range m.files {
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("=", 72), m.path, m.version, f.name, bytes.TrimSpace(f.text))
		}
	}
	return b.Bytes()
}
