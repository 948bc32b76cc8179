package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// notRun are the commands whose examples cannot run in a test, and why. Their flags are read all the same.
var notRun = map[string]string{
	"pcapaudit live": "it watches interfaces of the machine, with rights that tests do not have, until somebody stops it",
}

// exampleLine is a command line of an example, with the exit code that the comment above it announces.
type exampleLine struct {
	text string
	code int
}

// quiet are lines that write to a file alone.
var quiet = regexp.MustCompile(` -o | > |^mkdir `)

var announcedCode = regexp.MustCompile(`\(exit code (\d)`)

// exampleLines takes an example apart: comments begin with #, lines that end in \ or | go on in the next one.
func exampleLines(example string) (lines []exampleLine) {
	code, comment, open := 0, "", ""
	for line := range strings.SplitSeq(example, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			comment += " " + strings.TrimPrefix(line, "# ")
			continue
		}
		if comment != "" {
			code, comment = codeIn(comment), ""
		}
		open += line + "\n"
		if line != "" && !strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, "|") {
			lines, open = append(lines, exampleLine{strings.TrimSpace(open), code}), ""
		}
	}
	return lines
}

func codeIn(comment string) int {
	if m := announcedCode.FindStringSubmatch(comment); m != nil {
		code, _ := strconv.Atoi(m[1])
		return code
	}
	return 0
}

// eachCommand visits the commands that help lists, and root.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		if listed(sub) {
			eachCommand(sub, visit)
		}
	}
}

// TestExamples runs the examples of every command, each in a folder of its own that has the project's testdata in it, in a shell.
func TestExamples(t *testing.T) {
	for _, tool := range []string{"sh", "ssh-keygen", "gzip", "jq", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: no example was run", tool)
		}
	}
	program, err := os.Executable() // which is pcapaudit where it is called so
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, dir := range []string{"bin", ".ssh"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(program, filepath.Join(home, "bin", "pcapaudit")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(home, ".ssh", "id_ed25519")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	env := append(os.Environ(), "HOME="+home, "PATH="+filepath.Join(home, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"), "COLUMNS=80")
	root := rootCommand(&ui{})
	root.InitDefaultHelpCmd()
	commands := 0
	eachCommand(root, func(c *cobra.Command) {
		commands++
		lines := exampleLines(c.Example)
		names := false
		for _, line := range lines {
			names = names || strings.HasPrefix(line.text, c.CommandPath()) || strings.Contains(line.text, "| "+c.CommandPath()) || strings.Contains(line.text, "|\n"+c.CommandPath())
		}
		if !names {
			t.Errorf("%s: no example runs the command", c.CommandPath())
			return
		}
		if notRun[c.CommandPath()] != "" {
			readFlags(t, c, lines)
			return
		}
		t.Run(strings.ReplaceAll(c.CommandPath(), " ", "-"), func(t *testing.T) { runExample(t, lines, env) })
	})
	if commands < 20 {
		t.Errorf("only %d commands were looked at", commands)
	}
}

func runExample(t *testing.T, lines []exampleLine, env []string) {
	t.Parallel()
	dir := t.TempDir()
	parts, err := os.ReadDir("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if !part.IsDir() || part.Name() == "reports" || part.Name() == "script" {
			continue
		}
		if err := os.CopyFS(filepath.Join(dir, "testdata", part.Name()), os.DirFS(filepath.Join("../../testdata", part.Name()))); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range lines {
		c := exec.Command("sh", "-c", line.text)
		c.Dir, c.Env = dir, env
		out, err := c.CombinedOutput()
		var failed *exec.ExitError
		if err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if got := c.ProcessState.ExitCode(); got != line.code {
			t.Fatalf("%s\nexits with %d, its help says %d:\n%.2000s", line.text, got, line.code, out)
		}
		if len(out) == 0 && !quiet.MatchString(line.text) {
			t.Errorf("%s\nprints nothing", line.text)
		}
	}
}

// readFlags reads the flags and arguments of lines that are not run.
func readFlags(t *testing.T, c *cobra.Command, lines []exampleLine) {
	t.Helper()
	for _, line := range lines {
		words := strings.Fields(strings.NewReplacer("\\\n", " ", "'", "").Replace(line.text))
		rest, found := strings.CutPrefix(strings.Join(words, " "), c.CommandPath()+" ")
		if !found {
			t.Errorf("%s: an example of something else: %s", c.CommandPath(), line.text)
			continue
		}
		args := strings.Fields(rest)
		if err := c.ParseFlags(args); err != nil {
			t.Errorf("%s: %v", line.text, err)
		}
		if err := c.ValidateArgs(c.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line.text, err)
		}
	}
}

// TestHelp holds what a newcomer sees: texts that fit 80 columns, a short line and a group for every command, a word for the value of every flag.
func TestHelp(t *testing.T) {
	root := rootCommand(&ui{})
	root.InitDefaultHelpCmd()
	eachCommand(root, func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 130 {
			t.Errorf("%s: what help lists is %q", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(helpText(c, 80)) {
			if len([]rune(line)) > 86 {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), len([]rune(line))-1, line)
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "bool" && strings.Count(f.Usage, "`") != 2 {
				t.Errorf("%s --%s: no word for its value: %s", c.CommandPath(), f.Name, f.Usage)
			}
		})
		if c.Parent() == root && c.GroupID == "" {
			t.Errorf("%s is in no group", c.CommandPath())
		}
	})
}

// TestStart: the first screen is one screen, and every command on it is there.
func TestStart(t *testing.T) {
	text := string(output(t, exitClean))
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > 24 {
		t.Errorf("%d lines do not fit a screen", len(lines))
	}
	root := rootCommand(&ui{})
	for _, line := range lines {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "     pcapaudit ") {
			continue
		}
		c, rest, err := root.Find(words[1:])
		if err != nil || c.HasSubCommands() {
			t.Errorf("%s: no such command (%v, %q)", line, err, rest)
		}
	}
}
