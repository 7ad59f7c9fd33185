"""Style sheet of the page."""

CSS = """
.abm-layout { display: grid; grid-template-columns: 320px minmax(0, 1fr); gap: 20px; max-width: 1500px; margin: auto;
  padding: 8px 12px 40px; align-items: start; }
.abm-side { border-right: 1px solid #e3e3e3; padding-right: 16px; }
.abm-unfold { display: none; }
@media (max-width: 800px) {
  .abm-layout { grid-template-columns: minmax(0, 1fr); gap: 4px; }
  .abm-side { border-right: none; padding-right: 0; }
  .abm-unfold { display: block; }
  .abm-folded { display: none; }
  .abm-page .v-tab { min-width: 0; padding: 0 10px; letter-spacing: 0; font-size: 12px; }
}
.abm-heading { font-weight: 600; margin-top: 8px; }
.abm-lever { display: grid; grid-template-columns: 1fr 80px; align-items: end; column-gap: 6px; }
.abm-label { grid-column: 1 / -1; font-size: 13px; color: #444; margin-top: 4px; }
.abm-settings .v-input:not(.v-input__slider) { margin-top: 10px; }
.abm-lever .v-input, .abm-lever .v-input:not(.v-input__slider) { margin-top: 0; }
.abm-settings .v-messages { min-height: 0; line-height: 1.2; }
.abm-page { justify-content: flex-start; }
.abm-lever .v-text-field { padding-top: 0; margin-top: 0; }
.abm-wrong { grid-column: 1 / -1; color: #b71c1c; font-size: 12px; }
.abm-line { flex-wrap: wrap; row-gap: 14px; padding-top: 8px; }
.abm-observable { max-width: 420px; min-width: 240px; }
.abm-progress { min-width: 180px; flex: 1 1 180px; }
.abm-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); gap: 12px; }
.abm-picture { width: 100%; height: auto; }
.abm-table { overflow-x: auto; }
.abm-table table { border-collapse: collapse; font-size: 14px; }
.abm-table td, .abm-table th { padding: 2px 10px 2px 0; text-align: right; white-space: nowrap; }
.abm-table td:first-child, .abm-table th:first-child { text-align: left; white-space: normal; min-width: 180px; }
.abm-table tr { border-bottom: 1px solid #e3e3e3; }
.abm-left td, .abm-left th { text-align: left; white-space: normal; vertical-align: top; }
.abm-left td:first-child, .abm-left th:first-child { min-width: 90px; }
"""
