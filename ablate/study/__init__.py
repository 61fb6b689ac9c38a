"""The planning stage: study file -> Study -> variants -> trials. No torch here, so planning is instant."""
