package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pcapaudit": main,
	})
}

// run executes one command line in the process of the tests, which keeps its rights, and gives its exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return execute(&ui{in: stdin, out: stdout, err: stderr}, args)
}

// TestScripts runs the command lines of testdata/script. TESTDATA is the project's testdata folder.
func TestScripts(t *testing.T) {
	data, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(data, "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no script found (%v)", err)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exit": exitCommand, "cut": cutCommand},
		Condition:           condition,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TESTDATA", data)
			return nil
		},
	})
}
