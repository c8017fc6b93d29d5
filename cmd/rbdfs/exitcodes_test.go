package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"rbdfs/rbdio/librbd"
)

// exitConstants reads the names and values of the codes from their file, so
// that one without a sentence cannot be forgotten.
func exitConstants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "exitcodes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Names) == 1 && fmt.Sprint(spec.Type) == "exitCode" {
			codes[spec.Names[0].Name] = spec.Values[0].(*ast.BasicLit).Value
		}
		return true
	})
	return codes
}

func TestExitCodes(t *testing.T) {
	codes := exitConstants(t)
	if len(codes) != len(exitSentences) {
		t.Errorf("%d codes, %d sentences", len(codes), len(exitSentences))
	}
	owner := map[string]string{}
	for name, value := range codes {
		if other, taken := owner[value]; taken {
			t.Errorf("%s and %s are both %s", name, other, value)
		}
		owner[value] = name
	}
	for code, text := range exitSentences {
		// 125 and more are the shell's and the signals'; 2 is a Go panic's.
		if code < 0 || code >= 125 || code == 2 {
			t.Errorf("code %d is not free", code)
		}
		if owner[fmt.Sprint(int(code))] == "" {
			t.Errorf("code %d has no constant", code)
		}
		if !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n") {
			t.Errorf("code %d: %q is not a sentence", code, text)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for err, want := range map[error]exitCode{
		nil:                   exitOK,
		errors.New("x"):       exitInternal,
		failf(exitBusy, "x"):  exitBusy,
		said(exitPoolMissing): exitPoolMissing,
		fmt.Errorf("x: %w", failf(exitCaps, "y")): exitCaps,
	} {
		if got := codeOf(err); got != want {
			t.Errorf("%v has code %d, not %d", err, got, want)
		}
	}
}

func TestStartFailures(t *testing.T) {
	cfg := librbd.Config{Pool: "vms", Namespace: "ns", DataPool: "ec"}
	for step, want := range map[librbd.Step]exitCode{
		librbd.BadOption: exitCephOption, librbd.ConfMissing: exitConfMissing, librbd.ConfUnreadable: exitConfUnreadable,
		librbd.KeyringMissing: exitKeyringMissing, librbd.KeyringUnreadable: exitKeyringMissing, librbd.KeyTypeUnknown: exitKeyType, librbd.AuthRefused: exitAuthRefused, librbd.MonitorsSilent: exitMonsSilent,
		librbd.NoPool: exitPoolMissing, librbd.NoNamespace: exitNamespace, librbd.NotInitialised: exitPoolNotInit,
		librbd.CapsTooSmall: exitCaps, librbd.Failed: exitCluster, "a new step": exitCluster,
	} {
		err := startFailure(cfg, &librbd.StartError{Step: step, Subject: "subject", Err: syscall.EPERM})
		if codeOf(err) != want {
			t.Errorf("step %q exits with %d, not %d", step, codeOf(err), want)
		}
		checkSentence(t, sentence(err)+"\n")
		if !strings.ContainsAny(sentence(err), ";") {
			t.Errorf("step %q does not say what to do: %s", step, err)
		}
	}
	if err := startFailure(cfg, &librbd.StartError{Step: librbd.NoPool, Subject: "ec", Err: syscall.ENOENT}); codeOf(err) != exitDataPool {
		t.Errorf("data pool: %d, %v", codeOf(err), err)
	}
	if err := startFailure(cfg, errors.New("x")); codeOf(err) != exitCluster {
		t.Errorf("another error: %d", codeOf(err))
	}
}

func TestOptionFailureHidesTheValue(t *testing.T) {
	err := startFailure(librbd.Config{}, &librbd.StartError{Step: librbd.BadOption, Subject: "kay=c2VjcmV0", Err: syscall.ENOENT})
	if strings.Contains(err.Error(), "c2VjcmV0") || !strings.Contains(err.Error(), "kay") {
		t.Error(err)
	}
}

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{"text": `msg="a b" x=1`, "json": `"msg":"a b","x":1`} {
		var b strings.Builder
		f := logFlags{LogFormat: format, LogLevel: "warn"}
		logger := slog.New(f.form(&b))
		logger.Info("not this")
		logger.Warn("a b", "x", 1)
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), "not this") {
			t.Errorf("%s: %q", format, b.String())
		}
	}
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "error": slog.LevelError} {
		if f := (logFlags{LogLevel: name}); f.level() != want {
			t.Errorf("%s is %v", name, f.level())
		}
	}
}

// The README shows each code with its sentence.
func TestReadmeShowsTheExitCodes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for code, sentence := range exitSentences {
		if row := fmt.Sprintf("\n| %d | %s |\n", code, sentence); !strings.Contains(string(readme), row) {
			t.Errorf("the README has no row%s", row)
		}
	}
}
