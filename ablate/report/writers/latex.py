"""LaTeX."""

from __future__ import annotations

from ablate.errors import printable
from ablate.report.document import Cell, Document, Table


def document_latex(document: Document) -> str:
    """The tables, each with the title of the report in its caption.

    Args:
        document: The report.
    """
    found = zip(document.captions, document.tables)
    return "\n".join(table_latex(table, f"{document.heading}. {caption}") for caption, table in found)


def table_latex(table: Table, caption: str) -> str:
    """A booktabs table with its footnotes below.

    Args:
        table: The table.
        caption: The caption, unescaped.
    """
    columns = "".join("r" if column.numeric else "l" for column in table.columns)

    def text(cell: Cell) -> str:
        body = latex_escape(cell.text)
        body = rf"\textbf{{{body}}}" if cell.bold else body
        return body + (rf"\textsuperscript{{{cell.mark}}}" if cell.mark else "")

    notes = [rf"    \textsuperscript{{{mark}}} {latex_escape(note)}\par" for mark, note in table.notes]
    marked = any("✓" in cell.text for row in table.rows for cell in row)
    lines = [
        rf"\begin{{table}}  % needs booktabs{', graphicx and amssymb' if marked else ' and graphicx'}",
        r"  \centering",
        rf"  \caption{{{latex_escape(caption)}}}",
        rf"  \label{{tab:{table.label}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(map(latex_escape, table.titles))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(text, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}}",
        *([r"  \par\medskip\begin{minipage}{\linewidth}\footnotesize", *notes, r"  \end{minipage}"] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "±": r"$\pm$",
    "−": "$-$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "→": r"$\to$",
    "✓": r"$\checkmark$",
    "<": "$<$",
    ">": "$>$",
    "[": "{[}",  # unescaped at the start of a row it would be read as an argument of the previous row's end
    "*": "{*}",
}


def latex_escape(text: str) -> str:
    """A text that LaTeX prints unchanged, in one paragraph.

    Args:
        text: Any text; line breaks become spaces.
    """
    return "".join(_LATEX.get(character, character) for character in printable(" ".join(text.split("\n"))))
