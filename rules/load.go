package rules

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed packs/*.yaml
var embedded embed.FS

// PackName names an embedded pack.
type PackName struct {
	Name string
	Kind Kind
}

// builtin lists the embedded packs: the vendors' in the order of their documents, then the platform's.
var builtin = []PackName{
	{"ibm-cloud-backup", Vendor},
	{"acronis-abr-11.5", Vendor},
	{"azure-data-box", Vendor},
	{"lync-2013-director", Vendor},
	{"configmgr-2012", Vendor},
	{"dns-ntp-dhcp", Baseline},
	{"ad-member", Baseline},
	{"lan-control", Baseline},
	{"remote-admin", Baseline},
	{"monitoring", Baseline},
}

// Builtin lists the embedded packs in their order: vendor packs, then baseline packs.
func Builtin() []PackName { return append([]PackName(nil), builtin...) }

func builtinNames() []string {
	names := make([]string, len(builtin))
	for i, b := range builtin {
		names[i] = b.Name
	}
	return names
}

// LoadPack loads an embedded pack by name, or a pack file by path. The pack is nil if any problem is an error.
func LoadPack(nameOrPath string) (*Pack, []Problem) {
	for _, b := range builtin {
		if b.Name == nameOrPath {
			return loadBuiltin(b.Name)
		}
	}
	data, problem := readFile(nameOrPath)
	if problem != nil {
		if _, err := os.Stat(nameOrPath); err != nil && !looksLikePath(nameOrPath) {
			problem = &Problem{What: fmt.Sprintf("unknown pack %q", printable(nameOrPath)), Do: fmt.Sprintf("embedded packs: %s; or give a file", strings.Join(builtinNames(), ", "))}
			if n := nearest(nameOrPath, builtinNames()); n != "" {
				problem.Do = fmt.Sprintf("did you mean %q? %s", n, problem.Do)
			}
		}
		return nil, []Problem{*problem}
	}
	return LoadPackBytes(nameOrPath, data)
}

func loadBuiltin(name string) (*Pack, []Problem) {
	data, err := embedded.ReadFile("packs/" + name + ".yaml")
	if err != nil {
		return nil, []Problem{{What: fmt.Sprintf("the pack %s is not in this build", name), Do: "build from a complete source tree"}}
	}
	p, problems := LoadPackBytes(name+".yaml", data)
	if p != nil {
		p.File = ""
	}
	return p, problems
}

func looksLikePath(s string) bool {
	return strings.ContainsAny(s, `/\`) || filepath.Ext(s) == ".yaml" || filepath.Ext(s) == ".yml"
}

// LoadPackBytes loads a pack from the bytes of the file of that name. The pack is nil if any problem is an error.
func LoadPackBytes(file string, data []byte) (*Pack, []Problem) {
	p := &Pack{File: file, SHA256: hash(data), places: places{}}
	r := newReader(file, p.places)
	checkable := r.read(data, p)
	problems := r.problems
	if checkable {
		problems = follow(r.problems, checkPack(p, checker{file: file, places: p.places}), r.explained)
	}
	if Failed(problems) {
		p = nil
	}
	return p, sortProblems(problems)
}

// LoadSite loads a site file. The site is nil if any problem is an error. What concerns packs is checked by Compile.
func LoadSite(path string) (*Site, []Problem) {
	data, problem := readFile(path)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	return LoadSiteWith(path, data, readInventory)
}

// LoadSiteBytes loads a site without inventories from the bytes of the file of that name. The site is nil if any problem is an error.
func LoadSiteBytes(file string, data []byte) (*Site, []Problem) { return LoadSiteWith(file, data, nil) }

// LoadSiteWith loads a site from the bytes of the file of that name; read gives the bytes of its inventories by their paths, which start where that of the file does.
// The site is nil if any problem is an error.
func LoadSiteWith(file string, data []byte, read func(path string) ([]byte, error)) (*Site, []Problem) {
	s := &Site{File: file, SHA256: hash(data), places: places{}}
	r := newReader(file, s.places)
	checkable := r.read(data, s)
	problems := r.problems
	if checkable {
		c := checker{file: file, places: s.places}
		found := importHosts(s, c, read)
		if !Failed(found) { // else hosts are missing that the rest of the file may name
			found = append(found, checkSite(s, c)...)
		}
		problems = follow(r.problems, found, r.explained)
	}
	if Failed(problems) {
		s = nil
	}
	return s, sortProblems(problems)
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readFile reads a regular file of at most MaxFile bytes.
func readFile(path string) ([]byte, *Problem) {
	fail := func(what, do string) *Problem { return &Problem{Pos: Pos{File: path}, What: what, Do: do} }
	info, err := os.Stat(path)
	if err != nil {
		return nil, fail(fmt.Sprintf("cannot read the file: %v", err), "correct the path")
	}
	if !info.Mode().IsRegular() {
		return nil, fail("not a regular file", "give a YAML file")
	}
	if info.Size() > MaxFile {
		return nil, fail(fmt.Sprintf("the file has %d bytes", info.Size()), fmt.Sprintf("a rule file may have at most %d", MaxFile))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fail(fmt.Sprintf("cannot read the file: %v", err), "make it readable")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fail(fmt.Sprintf("cannot read the file: %v", err), "check the disk or the network share")
	}
	return data, nil
}

// readInventory reads a regular file of at most MaxInventory bytes.
func readInventory(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, bareError(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > MaxInventory:
		return nil, fmt.Errorf("the file has %d bytes, and an inventory may have at most %d", info.Size(), MaxInventory)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bareError(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxInventory+1))
	return data, bareError(err)
}

// bareError is an error without the path, which stands beside it.
func bareError(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
