// Nothing exists yet. Every option has its default.
using '../main.bicep'

param environmentName = 'acs-events'
param location = 'westeurope'
